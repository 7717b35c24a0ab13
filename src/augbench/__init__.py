"""augbench: can GAN-made images stand in for patients when a segmentation network is trained?"""

__version__ = "0.1.0"
