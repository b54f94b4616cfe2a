"""The second component: it receives what models answer, keeps it, compares it, and exports counts.

It never sits in the way of a request and never decides. Its libraries are large; no other room
imports it, and no other room imports them.
"""
