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
  see: Schema.optionalKey(
    Schema.String.annotate(note("The command that explains it, such as `pnet why peer-unknown`."))
  ),
  exit: Schema.String.annotate(note("The name of the exit code.")),
  code: Schema.Int.annotate(note("The exit code.")),
  mistakes: Schema.optionalKey(
    Schema.Array(Schema.Struct({
      where: Schema.String.annotate(note("The argument, and the place in it.")),
      expected: Schema.String,
      found: Schema.optionalKey(Schema.String)
    })).annotate(note("What is wrong with what was given, place by place."))
  ),
  detail: Schema.optionalKey(Schema.Json.annotate(note("The function's own error, as JSON.")))
})

const Unsaid = Schema.Literals(["notAsked", "noAnswer", "notGranted"]).annotate(
  note(
    "Why what it offers is left out: it was not asked, as without `--offers`; it has not said it in time; or this node's trust grants it none of that, so that it is not known."
  )
)

const Roles = Schema.Array(Schema.String).annotate(
  note("Its roles, as far as they are granted; left out where that is not known.")
)

const Peer = Schema.Struct({
  name: Name,
  key: Schema.String.annotate(note("Its public key.")),
  fingerprint: Fingerprint,
  addresses: Schema.Array(Address).annotate(note("Where it may be dialled.")),
  status: Schema.Literals(["online", "suspect"]).annotate(note("`suspect`: silent, and being asked.")),
  proved: Schema.Boolean.annotate(note("Whether it has proved that it has the secret of its key.")),
  roles: Schema.optionalKey(Roles),
  functions: Schema.optionalKey(
    Schema.Array(Schema.String).annotate(
      note("Functions that it says it serves, as far as that is granted; left out where that is not known.")
    )
  ),
  unsaid: Schema.optionalKey(Unsaid)
})

const Event = Schema.Struct({
  time: Time,
  event: Schema.String.annotate(
    note(
      "What happened: `started`, `joined`, `updated`, `restarted`, `suspected`, `returned`, `left`, `lost`, `conflict`, `called`, `received`, `stopped`."
    )
  ),
  peer: Schema.optionalKey(Name),
  fingerprint: Schema.optionalKey(Fingerprint),
  address: Schema.optionalKey(Address),
  port: Schema.optionalKey(
    Schema.Int.annotate(
      note("The TCP port that this node listens on, of `started`: with `--port 0` the one that was free.")
    )
  ),
  reason: Schema.optionalKey(
    Schema.String.annotate(
      note(
        "Why, in a word or two of the event's: of a peer those of the table in [getting started](getting-started.md#who-comes-and-goes). Of a call how it ended: `ok`, `failed`, or `given up`, where its caller was interrupted or left, its time was up, or this node ends."
      )
    )
  ),
  function: Schema.optionalKey(Schema.String.annotate(note("The function that was called."))),
  ms: Schema.optionalKey(Millis),
  text: Schema.String.annotate(note("The same for people."))
})

const Answer = Schema.Struct({
  peer: Name,
  value: Schema.optionalKey(Schema.Json.annotate(note("What the function gave; left out where it failed."))),
  failure: Schema.optionalKey(Failed)
})

const Argument = Schema.Struct({
  name: Schema.String,
  type: Schema.String.annotate(note("Its type, as people write types.")),
  required: Schema.Boolean,
  rest: Schema.Boolean.annotate(note("Whether it stands for as many as there are.")),
  description: Schema.optionalKey(Schema.String)
})

const Described = Schema.Struct({
  peer: Name,
  name: Schema.String.annotate(note("The function's name.")),
  kind: Schema.Literals(["function", "command", "rpc"]).annotate(
    note("A plain function, one with schemas, or a typed call.")
  ),
  signature: Schema.String.annotate(note("What it takes and gives, on one line.")),
  description: Schema.optionalKey(Schema.String),
  arguments: Schema.optionalKey(
    Schema.Array(Argument).annotate(note("Arguments by position; left out where it does not say."))
  ),
  keywords: Schema.optionalKey(Schema.Array(Argument).annotate(note("Arguments by name."))),
  args: Schema.optionalKey(Schema.Json.annotate(note("The JSON Schema of the list of arguments."))),
  kwargs: Schema.optionalKey(Schema.Json.annotate(note("The JSON Schema of the object of keyword arguments."))),
  success: Schema.optionalKey(Schema.Json.annotate(note("The JSON Schema of what it gives."))),
  failure: Schema.optionalKey(Schema.Json.annotate(note("The JSON Schema of its own error."))),
  stream: Schema.optionalKey(Schema.Boolean.annotate(note("Whether it gives a stream, which is answered as a list."))),
  contract: Schema.optionalKey(Schema.String.annotate(note("The hash of its schemas.")))
})

const Pong = Schema.Struct({
  peer: Name,
  seq: Schema.Int.annotate(note("Which question: 0 is the one that made the session.")),
  address: Schema.optionalKey(Address),
  ms: Schema.optionalKey(Millis),
  failure: Schema.optionalKey(Failed)
})

const Pings = Schema.Struct({
  peer: Name,
  sent: Schema.Int,
  answered: Schema.Int,
  minMs: Schema.optionalKey(Millis),
  medianMs: Schema.optionalKey(Millis),
  meanMs: Schema.optionalKey(Millis),
  maxMs: Schema.optionalKey(Millis)
})

const Watched = Schema.Struct({
  name: Name,
  fingerprint: Fingerprint,
  address: Schema.optionalKey(Address),
  status: Schema.Literals(["online", "suspect"]),
  hereMs: Millis.annotate(note("How long it is there already, as far as it was watched.")),
  ms: Schema.optionalKey(Millis.annotate(note("How long its last answer took; left out where it did not answer."))),
  meanMs: Schema.optionalKey(Millis.annotate(note("How long its last answers took, up to 30 of them."))),
  asked: Schema.Int.annotate(note("How often it was asked.")),
  lost: Schema.Int.annotate(note("How many of these questions it did not answer.")),
  functions: Schema.optionalKey(
    Schema.Int.annotate(note("How many functions it serves; left out where it does not say."))
  ),
  roles: Schema.optionalKey(Roles),
  topics: Schema.optionalKey(
    Schema.Array(Schema.String).annotate(
      note("What it subscribes to, as far as it is granted; left out where that is not known.")
    )
  ),
  unsaid: Schema.optionalKey(Unsaid)
})

const Calls = Schema.Struct({
  out: Schema.Finite.annotate(note("Calls of this node to peers, a second.")),
  in: Schema.Finite.annotate(note("Calls of peers to this node, a second.")),
  failed: Schema.Int.annotate(note("Calls that failed, both ways, since it began.")),
  bytesSent: Schema.Finite.annotate(note("A second.")),
  bytesReceived: Schema.Finite.annotate(note("A second."))
})

const Snapshot = Schema.Struct({
  time: Time,
  node: Name.annotate(note("The name of this node.")),
  network: Schema.String,
  sealed: Schema.Boolean.annotate(note("Whether the network has a key.")),
  peers: Schema.Array(Watched),
  calls: Calls
})

const SettingValue = Schema.Struct({
  name: Schema.String.annotate(note("Its name in the config file.")),
  value: Schema.optionalKey(
    Schema.String.annotate(note("What holds; left out where it is not set, `(hidden)` where it is a secret."))
  ),
  from: Schema.Literals(["flag", "environment", "profile", "file", "default", "none"]),
  where: Schema.String.annotate(note("Where it comes from, for people.")),
  flag: Schema.String,
  env: Schema.optionalKey(Schema.String)
})

const Published = Schema.Struct({
  topic: Schema.String,
  values: Schema.Int.annotate(note("How many values were published.")),
  peers: Schema.Array(Name).annotate(note("Who subscribed when the last of them was.")),
  seq: Schema.optionalKey(Schema.Int.annotate(note("The number of the last at the server, with `--keep`.")))
})

const Heard = Schema.Struct({
  topic: Schema.String,
  from: Schema.String.annotate(note("Who published it.")),
  fingerprint: Fingerprint,
  key: Schema.optionalKey(Schema.String.annotate(note("What it is the last value of."))),
  value: Schema.optionalKey(Schema.Json.annotate(note("What was published."))),
  bytes: Schema.optionalKey(Schema.String.annotate(note("The same as bytes, in base64, with `--bytes`."))),
  time: Schema.String.annotate(note("When it was published by the publisher's clock, as ISO 8601 in UTC.")),
  seq: Schema.Int.annotate(
    note("Its number among what the publisher has published on the topic; of what is kept at the server.")
  ),
  missed: Schema.Int.annotate(note("So many of this publisher on this topic were missed just before it.")),
  retained: Schema.Boolean.annotate(note("Whether it was published before.")),
  redelivered: Schema.Boolean.annotate(note("Whether another of the group was handed it before.")),
  id: Schema.String.annotate(note("The same for the same publication, wherever and however often it is heard."))
})

const Posted = Schema.Struct({
  to: Name,
  id: Schema.String.annotate(note("What the letter is known by.")),
  seq: Schema.Int.annotate(note("Its number at the server.")),
  duplicate: Schema.Boolean.annotate(note("Whether the server had one of this id already, from the last 10 minutes."))
})

const Mail = Schema.Struct({
  from: Schema.String.annotate(note("Who sealed it.")),
  fingerprint: Fingerprint,
  id: Schema.String.annotate(note("What it is known by, unique among those of its sender.")),
  time: Schema.String.annotate(note("When it was posted by the sender's clock, as ISO 8601 in UTC.")),
  text: Schema.optionalKey(Schema.String.annotate(note("What it says."))),
  bytes: Schema.optionalKey(Schema.String.annotate(note("The same in base64, where it is no UTF-8."))),
  attempt: Schema.Int.annotate(note("Which time it is handled, from 1 on."))
})

const Key = Schema.String.annotate(note("A public key."))

const OwnIdentity = Schema.Struct({
  name: Name,
  key: Key,
  fingerprint: Fingerprint,
  file: Schema.String.annotate(note("The file that has its secret."))
})

const KeyFingerprint = Schema.Struct({ key: Key, fingerprint: Fingerprint })

const NetworkFingerprint = Schema.String.annotate(note("What the network key is told by; it says nothing of the key."))

const KeyOfNetwork = Schema.Struct({
  network: Schema.String,
  number: Schema.Int.annotate(note("Its place, from 1 on.")),
  fingerprint: NetworkFingerprint,
  use: Schema.Literals(["encrypts", "decrypts"]).annotate(note("The first encrypts, all of them decrypt.")),
  file: Schema.String
})

const SecretOfNetwork = Schema.Struct({
  network: Schema.String,
  fingerprint: NetworkFingerprint,
  key: Schema.String.annotate(note("The network key itself."))
})

const Trusted = Schema.Struct({
  name: Schema.optionalKey(Name),
  key: Key,
  fingerprint: Fingerprint,
  status: Schema.Literals(["known", "connected", "listed", "revoked"]).annotate(
    note(
      "`known`: this node reached it, or its key was compared; `connected`: it connected first, and nobody has vouched for it."
    )
  ),
  from: Schema.optionalKey(Schema.String.annotate(note("The address that it connected from."))),
  rights: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Array(Schema.String)).annotate(note("What it may do, where the list says it."))
  )
})

const TrustChange = Schema.Struct({
  change: Schema.Literals(["allowed", "revoked", "forgotten", "resolved"]),
  name: Schema.optionalKey(Name),
  key: Key,
  fingerprint: Fingerprint,
  file: Schema.String.annotate(note("The file that says so."))
})

const Claim = Schema.Struct({
  name: Name,
  key: Key,
  fingerprint: Fingerprint,
  address: Schema.optionalKey(Address),
  refused: Schema.Boolean.annotate(note("Whether it is kept out, since the name is another's."))
})

const Found = Schema.Struct({
  finding: Schema.String.annotate(note("What kind of finding it is.")),
  severity: Schema.Literals(["ok", "info", "warning", "error"]).annotate(
    note(
      "`error`: nodes cannot find or reach each other; `warning`: some cannot, or soon; `ok`: it was tested, and works."
    )
  ),
  message: Schema.String.annotate(note("What was found.")),
  remedy: Schema.optionalKey(Schema.String.annotate(note("What to do about it."))),
  see: Schema.optionalKey(Schema.String.annotate(note("The command that explains it.")))
})

const Rate = Schema.Struct({
  bytes: Schema.Finite,
  ms: Millis,
  bytesPerSecond: Schema.optionalKey(Schema.Finite.annotate(note("Left out where there was no time in it.")))
})

const Measured = Schema.Struct({
  peer: Name,
  address: Schema.optionalKey(Address),
  dialled: Schema.optionalKey(Schema.Boolean.annotate(note("Whether this node made the session, and not the peer."))),
  framing: Schema.optionalKey(Schema.Literals(["binary", "text"])),
  roundTrips: Schema.Int.annotate(note("How many small pieces went there and back.")),
  minMs: Schema.optionalKey(Millis),
  p50Ms: Schema.optionalKey(Schema.Finite.annotate(note("Half of them took no longer, in milliseconds."))),
  p99Ms: Schema.optionalKey(Schema.Finite.annotate(note("99 of 100 took no longer, in milliseconds."))),
  maxMs: Schema.optionalKey(Millis),
  there: Rate.annotate(note("Bytes to the peer.")),
  back: Rate.annotate(note("Bytes from it."))
})

const OfferOfFiles = Schema.Struct({
  peer: Schema.String.annotate(note("Who offers it.")),
  fingerprint: Fingerprint,
  names: Schema.Array(Schema.String).annotate(note("The names at the top, of which the first are said.")),
  files: Schema.Int,
  folders: Schema.Int,
  links: Schema.Int,
  bytes: Schema.Finite,
  note: Schema.optionalKey(Schema.String.annotate(note("What the sender says about it.")))
})

const Transfer = Schema.Struct({
  peer: Schema.String.annotate(note("The other node.")),
  direction: Schema.Literals(["sent", "received"]),
  files: Schema.Int.annotate(note("Files that are there now.")),
  bytes: Schema.Finite,
  hadFiles: Schema.Int.annotate(note("Of these, files that were there already, and were not sent.")),
  hadBytes: Schema.Finite,
  failed: Schema.Int.annotate(note("Files, folders and links that did not arrive.")),
  problems: Schema.Array(Schema.Struct({
    path: Schema.String,
    kind: Schema.String.annotate(note("The kind of error, such as `DiskFull`.")),
    detail: Schema.String
  })).annotate(note("Why, of the first hundred of them.")),
  ms: Millis,
  failure: Schema.optionalKey(Failed.annotate(note("Why it is not complete.")))
})

/** The shapes by name. */
export const shapes = {
  peer: Peer.annotate(note("A peer that is there.")),
  event: Event.annotate(note("Something that happened while a node runs.")),
  function: Described.annotate(note("A function that a peer serves.")),
  snapshot: Snapshot.annotate(note("Who is there, and how quickly they answer.")),
  pong: Pong.annotate(note("What one question of `ping` came to.")),
  pings: Pings.annotate(note("What all questions of `ping` to a peer came to.")),
  setting: SettingValue.annotate(note("A setting that holds.")),
  posted: Posted.annotate(note("A letter that is kept.")),
  letter: Mail.annotate(note("A letter that came.")),
  published: Published.annotate(note("What `publish` has published.")),
  offer: OfferOfFiles.annotate(note("Files that a peer offers.")),
  transfer: Transfer.annotate(note("What came of a transfer of files with one peer.")),
  publication: Heard.annotate(note("Something that was published.")),
  identity: OwnIdentity.annotate(note("The key of a node of this user.")),
  fingerprint: KeyFingerprint.annotate(note("The fingerprint of a key.")),
  networkKey: KeyOfNetwork.annotate(note("A key of the network, without the key itself.")),
  networkSecret: SecretOfNetwork.annotate(
    note("A key of the network itself, which `key network export` prints alone.")
  ),
  trusted: Trusted.annotate(note("A peer that is trusted, or a key that is refused.")),
  trustChange: TrustChange.annotate(note("What `trust` has changed.")),
  claim: Claim.annotate(note("A node that goes by a name.")),
  finding: Found.annotate(note("What `doctor` has found.")),
  measured: Measured.annotate(note("What `measure` has measured.")),
  answer: Answer.annotate(note("What came of a call to one peer.")),
  console: Schema.Struct({
    link: Schema.String.annotate(note("Opens the page, in one browser, once.")),
    port: Schema.Int.annotate(note("The port of 127.0.0.1.")),
    node: Name,
    network: Schema.String,
    act: Schema.Boolean.annotate(note("Whether the page may change whom this node trusts.")),
    mcp: Schema.optionalKey(Schema.Struct({
      url: Schema.String,
      key: Schema.String.annotate(note("What assistants say, as `Authorization: Bearer KEY`."))
    })).annotate(note("Where assistants find their tools, with `--mcp`."))
  }).annotate(note("The page that `console` serves.")),
  topic: Schema.Struct({
    topic: Schema.String.annotate(note("What it is called.")),
    title: Schema.String.annotate(note("The question."))
  }).annotate(note("A topic that `why` explains.")),
  explanation: Schema.Struct({
    topic: Schema.String.annotate(note("What it is called.")),
    title: Schema.String.annotate(note("The question.")),
    text: Schema.String.annotate(note("The answer: paragraphs with empty lines between them."))
  }).annotate(note("What `why` says of a topic.")),
  error: Failed.annotate(note("Why the command failed: the only JSON on standard error."))
} as const

/** The name of a shape. */
export type ShapeName = keyof typeof shapes

/** The value of a shape. */
export type Shape<Name extends ShapeName> = (typeof shapes)[Name]["Type"]
