"""Published layouts, a module each, named as the `reader` of a dataset: what is here is what `reader` may be.

A module has `read(root, wanted, options, name)`: all images of the `wanted` splits in the folder `root`, where
`options` are the dataset's and `name` is its entry in config.yaml, for messages. It raises UserError for a missing or
empty folder and for a wrong name. `reid.data.readers.files` finds folders and images.
"""

import pkgutil

LAYOUTS = sorted(module.name for module in pkgutil.iter_modules(__path__))
