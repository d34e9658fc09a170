"""What the team's cluster needs beside the apps: the platform's images and the router on each node.

Terraform makes the machines; this part comes with each version of reviewapps.
"""
