"""What the appliance runs: takes each camera's frames, writes on them, and puts them on the screen."""

import panoramasdk


class Application(panoramasdk.node):
    """The application's node, with the inputs and outputs that panorama.yaml declares."""

    def run(self):
        """Pass frames on for as long as the appliance lets us."""
        while True:
            streams = self.inputs.video_in.get()
            for stream in streams:
                stream.add_label("NAME", 0.1, 0.1)
            self.outputs.video_out.put(streams)


if __name__ == "__main__":
    Application().run()
