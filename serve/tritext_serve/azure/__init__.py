"""An endpoint's files for Azure ML: the same files as on a machine of one's own, and what only the cloud needs.

::

    endpoint.yml, blue.yml, … ─ endpoint.files.load ─┐
    cloud.yml ─ cloud.read_cloud ────────────────────┼─ render ─┬─ documents: YAML for `az ml`
                                                     │          ├─ parameters: what main.bicep takes
                                                     │          └─ roles ─ grants: Bicep and `az` commands
    any of these files ─ rules ─► mistakes by file and line

All but ``render``'s reading is pure: texts in, texts out.
"""
