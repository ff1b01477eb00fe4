/**
 * Every value that the command prints with `--json`, by its name, which is the value's `type`. They are promised: fields may be added, none goes or
 * changes what it means. `docs/cli.md` documents them from here.
 */
import * as Schema from "effect/Schema"

const note = (description: string) => ({ description })

const Name = Schema.String.annotate(note("The name of a node."))
const Fingerprint = Schema.String.annotate(note("The fingerprint of a key, as people compare it."))
const Address = Schema.String.annotate(note("`host:port`."))
const Time = Schema.String.annotate(note("When it happened, as ISO 8601 in UTC."))
const Millis = Schema.Finite.annotate(note("Milliseconds."))

/** What went wrong, as it is in an answer, and with `--json` alone on standard error. */
const Failed = Schema.Struct({
  error: Schema.String.annotate(note("The kind of error.")),
  message: Schema.String.annotate(note("What was tried and what happened.")),
  hint: Schema.optionalKey(Schema.String.annotate(note("What to do next."))),
  see: Schema.optionalKey(Schema.String.annotate(note("Where it is explained."))),
  exit: Schema.String.annotate(note("The name of the exit code.")),
  code: Schema.Int.annotate(note("The exit code.")),
  detail: Schema.optionalKey(Schema.Json.annotate(note("The function's own error, as JSON.")))
})

const Peer = Schema.Struct({
  name: Name,
  key: Schema.String.annotate(note("Its public key.")),
  fingerprint: Fingerprint,
  addresses: Schema.Array(Address).annotate(note("Where it may be dialled.")),
  status: Schema.Literals(["online", "suspect"]).annotate(note("`suspect`: silent, and being asked.")),
  proved: Schema.Boolean.annotate(note("Whether it has proved that it has the secret of its key.")),
  roles: Schema.Array(Schema.String).annotate(note("Its roles, as far as they are granted.")),
  functions: Schema.Array(Schema.String).annotate(note("Functions that it says it serves, as far as that is granted."))
})

const Event = Schema.Struct({
  time: Time,
  event: Schema.String.annotate(
    note(
      "What happened: `started`, `joined`, `updated`, `restarted`, `suspected`, `returned`, `left`, `lost`, `conflict`, `called`, `stopped`."
    )
  ),
  peer: Schema.optionalKey(Name),
  fingerprint: Schema.optionalKey(Fingerprint),
  address: Schema.optionalKey(Address),
  reason: Schema.optionalKey(Schema.String.annotate(note("Why, in one word of the event's."))),
  function: Schema.optionalKey(Schema.String.annotate(note("The function that was called."))),
  ms: Schema.optionalKey(Millis),
  text: Schema.String.annotate(note("The same for people."))
})

const Answer = Schema.Struct({
  peer: Name,
  value: Schema.optionalKey(Schema.Json.annotate(note("What the function gave; left out where it failed."))),
  failure: Schema.optionalKey(Failed)
})

/** The shapes by name. */
export const shapes = {
  peer: Peer.annotate(note("A peer that is there.")),
  event: Event.annotate(note("Something that happened while a node runs.")),
  answer: Answer.annotate(note("What came of a call to one peer.")),
  error: Failed.annotate(note("Why the command failed: the only JSON on standard error."))
} as const

/** The name of a shape. */
export type ShapeName = keyof typeof shapes

/** The value of a shape. */
export type Shape<Name extends ShapeName> = (typeof shapes)[Name]["Type"]
