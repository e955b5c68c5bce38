"""
Explaining more than one process can, by workers on Ray (the extra `cluster`); see docs/scale.md.

`folder` is the folder that is written, `worker` what one process does. Ray is imported by `_pool` alone.
"""
