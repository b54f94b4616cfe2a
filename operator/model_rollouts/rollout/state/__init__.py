"""Where a rollout is: everything observed, read and put in relation, before anything is decided."""
