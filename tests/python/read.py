"""Reads effllm's output with the programs that users read it with, and prints what they see as JSON.

    read.py tensorboard FOLDER     {tag: [[wall time, step, value], ...]}
    read.py openmetrics FILE...    [{sample: value}, ...], the same by both parsers of the client library
    read.py prometheus FILE...     [{sample: value}, ...], of the older Prometheus text
    read.py write FOLDER           an event file as a training writes it, beside those that are there
"""

import json
import sys
import time


def tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(folder, size_guidance={"scalars": 0})
    events.Reload()
    return {
        tag: [[event.wall_time, event.step, event.value] for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def openmetrics(file):
    from prometheus_client.openmetrics import parser as openmetrics_parser
    from prometheus_client import parser as text_parser

    families, values = samples(openmetrics_parser, file)
    for family in families:
        assert family.name.endswith(family.unit), family
    assert_described(families)
    assert samples(text_parser, file)[1] == values
    return values


def prometheus(file):
    from prometheus_client import parser

    families, values = samples(parser, file)
    assert_described(families)
    return values


def samples(parser, file):
    with open(file, encoding="utf-8") as opened:
        families = list(parser.text_string_to_metric_families(opened.read()))
    return families, {
        sample.name + json.dumps(sample.labels, sort_keys=True): sample.value
        for family in families
        for sample in family.samples
    }


def assert_described(families):
    for family in families:
        assert family.documentation, family
        assert family.type in ("gauge", "counter"), family


def write(folder):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(folder)
    for step in range(1, 21):
        loss = Summary(value=[Summary.Value(tag="loss", simple_value=1 / step)])
        writer.add_event(Event(wall_time=time.time(), step=step, summary=loss))
        writer.flush()
        print(f"step {step} loss {1 / step:.6f} took 10.0 ms", flush=True)
    writer.close()


what, *names = sys.argv[1:]
if what == "tensorboard":
    print(json.dumps(tensorboard(*names)))
elif what == "openmetrics":
    print(json.dumps([openmetrics(name) for name in names]))
elif what == "prometheus":
    print(json.dumps([prometheus(name) for name in names]))
elif what == "write":
    write(*names)
