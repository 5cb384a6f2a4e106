"""The audit log as pure values: records, tree, signed notes, proofs, checks."""
