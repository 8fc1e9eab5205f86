"""A namespace's rules as nft reads them. Pure.

The text replaces the whole table at once: there is no moment without a filter, and loading it twice changes nothing.
"""

from tritext_serve.endpoint.isolation.plan import Namespace, Rule, device

TABLE = "inet tritext"
CHAINS = {"in": "input", "out": "output", "through": "forward"}  # `fwd` is a word of nft's own


def render(namespace: Namespace) -> str:
    """Write the table of a namespace, for ``nft -f``."""
    chains = [_chain(way, hook, [rule for rule in namespace.rules if rule.way == way]) for way, hook in CHAINS.items()]
    if namespace.hides:
        chains.append("    chain hide {\n        type nat hook postrouting priority 100\n        masquerade\n    }\n")
    return f"table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{''.join(chains)}}}\n"


def _chain(way: str, hook: str, rules: list[Rule]) -> str:
    lines = [f"type filter hook {hook} priority 0; policy drop;", "ct state established,related accept"]
    if way != "through":
        lines.append(f"{'iifname' if way == 'in' else 'oifname'} lo accept")
    lines += [_line(rule) for rule in rules]
    lines += ["meta l4proto tcp reject with tcp reset", "reject with icmpx type admin-prohibited"]
    body = "".join(f"        {line}\n" for line in lines)
    return f"    chain {way}_ {{\n{body}    }}\n"


def _line(rule: Rule) -> str:
    words = [f"{'oifname' if rule.way == 'out' else 'iifname'} {device(rule.via)}"] if rule.via else []
    if rule.source:
        words.append(f"ip saddr {rule.source}")
    if rule.target:
        words.append(f"ip daddr {rule.target}")
    if rule.protocol:
        ports = f" dport {{ {', '.join(map(str, rule.ports))} }}" if rule.ports else ""
        words.append(f"{rule.protocol}{ports}" if ports else f"meta l4proto {rule.protocol}")
    refuse = "reject with tcp reset" if rule.protocol == "tcp" else "reject"
    comment = "".join(c if c.isalnum() or c in " ,.-:" else "_" for c in rule.why)[:100]
    return f'{" ".join(words)} {"accept" if rule.accept else refuse} comment "{comment}"'.strip()
