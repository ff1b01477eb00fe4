/** `pnet subscribe`: hears what is published. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import { invalid, Span } from "../settings/declare.ts"
import * as Spec from "../spec.ts"

const Place = Schema.Union([
  Schema.Literals(["beginning", "new"]),
  Schema.FiniteFromString.check(Schema.isInt(), Schema.isGreaterThan(0)),
  Span,
  Schema.String.check(Schema.isPattern(/^\d{4}-\d\d-\d\d/)).pipe(Schema.decodeTo(Schema.DateFromString))
])
const placeOf = Schema.decodeUnknownOption(Place)

/** Where what is kept is read from. A span is so long ago. What is none is told of at once, and not once for each that it might be. */
const Where = Schema.String.pipe(Schema.decodeTo(Schema.toType(Place), {
  decode: SchemaGetter.transformEffect((text: string, options) =>
    Option.match(placeOf(text), {
      onNone: () =>
        invalid(
          "expected beginning, new, a number from 1 on, a time such as 2026-05-01T08:00Z, or so long ago, such as 2h",
          text,
          options
        ),
      onSome: Effect.succeed
    })
  ),
  encode: SchemaGetter.transform((place: typeof Place.Type) =>
    Duration.isDuration(place)
      ? `${Duration.toMillis(place)}ms`
      : place instanceof Date
      ? place.toISOString()
      : `${place}`
  )
}))

export const subscribe = Spec.make({
  name: "subscribe",
  alias: "sub",
  summary: "Hears what is published on a topic",
  description:
    "Prints what peers publish on a topic, or on all topics that a pattern means: * is any one segment, > the rest. Last values that publishers retain " +
    "come first. How many were missed is said with what comes next. A publisher whose trust policy does not grant this node the topic is not heard, which is said on the publisher's " +
    "side alone: `pnet why nothing-heard`.",
  examples: [
    { command: "pnet subscribe news", description: "Until Ctrl-C" },
    {
      command: "pnet subscribe 'build.*.failed'",
      description: "All topics of that form; quoted, or the shell reads the *"
    },
    { command: "pnet subscribe readings --latest --json", description: "The newest of each key, as JSON" },
    { command: "pnet subscribe ready --count 1 --timeout 30s", description: "Waits for one, for a script" },
    { command: "pnet subscribe jobs --group workers", description: "Each goes to one of the group" },
    { command: "pnet subscribe orders --from beginning --no-follow", description: "All that a NATS server keeps" },
    {
      command: "pnet subscribe orders --position ledger --name ledger",
      description: "Goes on where this one was the last time"
    },
    { command: "pnet subscribe firmware --bytes --count 1 > image.bin", description: "Bytes as they are" }
  ],
  config: {
    topic: Argument.String("topic").pipe(Argument.withDescription("The topic's name, or a pattern")),
    count: Flag.Int("count").pipe(
      Flag.withAlias("c"),
      Flag.withMetavar("N"),
      Flag.withDescription("Ends after so many"),
      Flag.optional
    ),
    timeout: Flag.String("timeout").pipe(
      Flag.withAlias("t"),
      Flag.withMetavar("TIME"),
      Flag.withSchema(Span),
      Flag.optional,
      Flag.withDescription("Ends after so long, as a failure where --count were to come; default: it goes on")
    ),
    latest: Flag.Boolean("latest").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Where it does not keep up, the newest of each key is enough")
    ),
    lossless: Flag.Boolean("lossless").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Has publishers that wait publish no more than it keeps up with")
    ),
    size: Flag.Int("size").pipe(
      Flag.withMetavar("N"),
      Flag.withDescription("How many wait, 1 to 65536; default: 256, or 64 with --lossless, or 16 with --group"),
      Flag.optional
    ),
    group: Flag.String("group").pipe(
      Flag.withAlias("g"),
      Flag.withMetavar("NAME"),
      Flag.withDescription("Is a member of a group: of all its members one gets each value"),
      Flag.optional
    ),
    retained: Flag.Boolean("retained").pipe(
      Flag.withDefault(true),
      Flag.withDescription("Last values that were published before come first; --no-retained: they do not")
    ),
    from: Flag.String("from").pipe(
      Flag.withMetavar("WHERE"),
      Flag.withSchema(Where),
      Flag.optional,
      Flag.withDescription(
        "Reads what the NATS server of --nats keeps: from the beginning, new, a number, a time such as 2026-05-01T08:00Z, or so long ago, such as 2h"
      )
    ),
    position: Flag.String("position").pipe(
      Flag.withMetavar("NAME"),
      Flag.optional,
      Flag.withDescription("Reads what is kept from where it was under this name the last time; else as --from says")
    ),
    follow: Flag.Boolean("follow").pipe(
      Flag.withDefault(true),
      Flag.withDescription("Goes on with what comes; --no-follow: ends behind what is kept now")
    ),
    bytes: Flag.Boolean("bytes").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Writes bytes as they are, on a terminal as text; with --json as base64")
    )
  },
  prints: ["publication"]
})
