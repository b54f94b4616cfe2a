"""What should exist: the route, and the objects that revisions run as."""
