"""Keeps an endpoint's Tritons and its edge alive, and answers for them; ``supervisor.Supervisor`` holds it together."""
