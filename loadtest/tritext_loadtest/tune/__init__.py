"""The search for the settings that suit a model, its texts and a machine.

``settings`` says what can be tried, ``halving`` who goes on and who wins, ``offer`` sends requests on a schedule,
``servers`` starts one server a setting, ``sweep`` puts these together; ``record``, ``picture`` and ``png`` show what
came of it.
"""
