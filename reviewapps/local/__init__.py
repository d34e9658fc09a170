"""The cluster on one machine: what `reviewapps local up` starts."""
