"""Records, routes and locks in Consul's KV store; every write by a holder is fenced.

record.py   what is kept of an app, as values
records.py  reading them all, and writing a wish without the lock
lock.py     one Consul session lock per app
held.py     what only the lock's holder may write: record, page, route
routes.py   what a route may say, and which routers have seen it
"""
