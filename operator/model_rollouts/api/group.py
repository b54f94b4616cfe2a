"""How the API server calls the resource. Nothing is imported: a command that only asks is quick."""

GROUP = "modelrollouts.dev"
VERSION = "v1alpha1"
KIND = "ModelDeployment"
PLURAL = "modeldeployments"
