"""What the reader of a status has to do, in one word."""

from model_rollouts.api.base import Word


class ActionNeeded(Word):
    """What you have to do now."""

    NONE = "None", "Nothing: the version that the spec asks for serves all users."
    WAIT = "Wait", "Nothing: the rollout continues automatically."
    LOOK = "Look", "Something is held or was rolled back; users are served. Read the message."
    NOW = "Now", "Users are affected, or cannot be protected. Read the message at once."
