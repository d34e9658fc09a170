"""What `reviewapps init` would write for a folder, and why: it reads, proposes and writes nothing.

evidence gathers what the folder's files say, choices draws conclusions from it, writing makes the
text of a reviewapps.yml, and plan compares that with what is there.
"""
