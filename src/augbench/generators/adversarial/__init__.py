"""What adversarial models share. A model is a folder beside this one: its networks, its objective and its schedule.

`model.AdversarialGenerator` is what a model derives from, `trainer.Trainer.step` is the training step.
"""
