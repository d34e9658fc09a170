"""The team's AWS account, a small module a service.

session.py   credentials, endpoint, and boto3's errors as ours
group.py     the Auto Scaling group whose instances are the nodes
rds.py       the database servers: the shared one, and own ones restored from snapshots
tags.py      what says whose something is
secrets.py   the database administrator's managed password
bucket.py    the bucket that the CDN serves assets from
"""
