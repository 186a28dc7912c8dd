"""The recurrent cells of a stack."""
