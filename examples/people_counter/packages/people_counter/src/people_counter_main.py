"""Counts the people in each frame and writes their number on the picture."""

from __future__ import annotations

import csv
from pathlib import Path

import panoramasdk

MODEL = "callable_squeezenet"
SIZE = (224, 224)


def counted_classes() -> set[int]:
    """The classes of labels.csv that are to be counted."""
    with (Path(__file__).parent / "labels.csv").open(newline="") as file:
        return {int(row["class"]) for row in csv.DictReader(file) if row["counted"] == "yes"}


class PeopleCounter(panoramasdk.node):
    """The node that graph.json calls ``counter``."""

    def __init__(self) -> None:
        self.classes = counted_classes()
        self.threshold = self.inputs.threshold.get()

    def step(self) -> None:
        """Take one frame of every stream, count, and pass the frames on."""
        streams = self.inputs.video_in.get()
        for stream in streams:
            scores = self.call({"data": prepared(stream.image)}, MODEL)
            count = sum(1 for index in self.classes if scores[0][0][index] > self.threshold)
            stream.add_label(f"people: {count}", 0.1, 0.1)
        self.outputs.video_out.put(streams)


def prepared(image):
    """A frame as the model takes it: [1, 3, 224, 224], float32, 0 to 1."""
    import cv2
    import numpy as np

    resized = cv2.resize(image, SIZE).astype(np.float32) / 255
    return resized.transpose(2, 0, 1)[np.newaxis]


def main() -> None:
    """Run until the appliance stops the container."""
    counter = PeopleCounter()
    while True:
        counter.step()


if __name__ == "__main__":
    main()
