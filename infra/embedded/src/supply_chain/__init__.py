"""What the images are made of: base images by digest, build tools by hash, and a bill of materials with licences."""
