"""The operations of the audit API, one component per noun, one method per operation."""
