"""The steps of `data.transform`, which change sequences before a network reads them."""
