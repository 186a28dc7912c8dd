"""The networks, and the LightningModule that trains a network."""
