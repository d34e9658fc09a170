"""What an app is made of: one small module each, in the order of their needs.

A new step is one module, one line here, one template and one test; `reviewapps.step` has the form.
"""

from reviewapps.step import Step
from reviewapps.steps import (
    access,
    assets,
    capacity,
    database,
    golden,
    image,
    migrate,
    notify,
    redis,
    resque,
    route,
    seed,
    unicorn,
)

STEPS: dict[str, Step] = {
    "image": image,
    "assets": assets,
    "access": access,
    "capacity": capacity,
    "database": database,
    "redis": redis,
    "migrate": migrate,
    "seed": seed,
    "golden": golden,
    "unicorn": unicorn,
    "resque": resque,
    "route": route,
    "notify": notify,
}
