/** `pnet publish`: says something to whoever subscribes. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import { Span } from "../settings/declare.ts"
import * as Spec from "../spec.ts"

export const publish = Spec.make({
  name: "publish",
  alias: "pub",
  summary: "Says something to whoever subscribes to a topic",
  description:
    "Publishes values on a topic, each of which is JSON or else text, and ends when they have come to all who subscribe. Without values, or with -, it reads " +
    "standard input: each line is a value. It is sent to whoever subscribes, so the network has to have a key, or there has to be an allow list or an " +
    "authority, or --open.",
  examples: [
    { command: "pnet publish news 'the build is green' --open", description: "A text, to whoever subscribes to it" },
    {
      command: "pnet publish readings '{\"sensor\":\"oven\",\"celsius\":180}' --key-of sensor --retain",
      description: "A last value, which later subscribers get too, until Ctrl-C"
    },
    { command: "tail -f app.log | pnet publish logs.app", description: "Each line as it comes" },
    {
      command: "pnet publish orders '{\"count\":3}' --keep --nats nats.example.com",
      description: "Kept by the server, for who reads it later"
    },
    { command: "pnet publish firmware --bytes - < image.bin", description: "A file of at most 1 MiB, as it is" }
  ],
  config: {
    topic: Argument.String("topic").pipe(
      Argument.withDescription("The topic's name: segments with dots between them, such as build.42.failed")
    ),
    values: Argument.String("value").pipe(
      Argument.withDescription("What is published, as JSON or text; - is standard input"),
      Argument.variadic()
    ),
    key: Flag.String("key").pipe(
      Flag.withMetavar("KEY"),
      Flag.withDescription("What the values are the last values of"),
      Flag.optional
    ),
    keyOf: Flag.String("key-of").pipe(
      Flag.withMetavar("FIELD"),
      Flag.withDescription("The field of each value that is its key"),
      Flag.optional
    ),
    retain: Flag.Boolean("retain").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Retains the last value of each key for those who subscribe later, and stays until Ctrl-C")
    ),
    keep: Flag.Boolean("keep").pipe(
      Flag.withDefault(false),
      Flag.withDescription(
        "Has the NATS server of --nats keep the values, for those who read them with subscribe --from"
      )
    ),
    bytes: Flag.Boolean("bytes").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Publishes bytes as they are: each value's text, or all of standard input as one")
    ),
    subscribers: Flag.Int("subscribers").pipe(
      Flag.withMetavar("N"),
      Flag.withDefault(1),
      Flag.withDescription(
        "How many peers have to subscribe before it begins; 0: whoever is there, and be it nobody; default: 1"
      )
    ),
    patience: Flag.String("patience").pipe(
      Flag.withMetavar("TIME"),
      Flag.withSchema(Span),
      Flag.withDefault(Duration.seconds(10)),
      Flag.withDescription("How long it waits for subscribers that are to lose nothing and have no room; default: 10s")
    )
  },
  prints: ["published"]
})
