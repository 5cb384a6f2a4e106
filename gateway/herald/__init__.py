"""The herald: sends the notices that commits made, to the webhooks that parties watch with."""
