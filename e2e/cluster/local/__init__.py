"""A node without a container engine: its programs run in namespaces of their own.

The namespaces are what keeps the machine safe. Links, routes, nftables tables and mounts of the
node exist only inside them and go when its last process goes; the node has no route out, so traffic
for an address that nothing answers can go nowhere. Every process is in one cgroup, so all of them
can be found, and ended, by pid.
"""
