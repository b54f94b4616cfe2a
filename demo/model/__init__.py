"""What goes into the image of the model server: preparing inputs, answering, and the mistakes."""
