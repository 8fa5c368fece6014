"""What several contrastive methods share: key encoders, queues, projectors, losses, global batch statistics."""
