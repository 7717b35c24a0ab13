"""augbench: can GAN-made images stand in for patients when a segmentation network is trained?"""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`from augbench import verdict`; imported when it is asked for, so that the command line starts at once."""
    if name == "verdict":
        from augbench.stages.verdict import verdict

        return verdict
    raise AttributeError(f"module 'augbench' has no attribute '{name}'")
