/**
 * Every error that a user can meet is explained in `docs/why-cant-i.md`, and its message says where: each public tagged error is
 * made with each of its kinds, with and without what is optional.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Core from "@pnet/core"
import { Obstacle, Packet, PublicKey, Why } from "@pnet/core"
import { DurableTopicsError, MailError, NatsError } from "@pnet/nats"
import * as Node from "@pnet/node"
import { Duration, Schema } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const page = readFileSync(fileURLToPath(new URL("../../../docs/why-cant-i.md", import.meta.url)), "utf8")

/** The text of each section by its anchor. */
const sections = new Map(
  page.split(/^(?=<a id=)/m).slice(1).map((
    text
  ) => [/^<a id="([^"]*)"><\/a>\n\n### Why can't I .*\?\n/.exec(text)?.[1], text])
)

interface Members {
  readonly [member: string]: unknown
}
type ErrorClass = (new(fields: Members) => Error & { readonly _tag: string }) & {
  readonly fields: Members
}

const isErrorClass = (value: unknown): value is ErrorClass =>
  typeof value === "function" && value.prototype instanceof Error && Schema.isSchema(value) && "fields" in value

const classes = [
  ...new Set(
    [...Object.values(Core), ...Object.values(Node), DurableTopicsError, MailError, NatsError].flatMap((module) =>
      Object.values(module as Members).filter(isErrorClass)
    )
  )
]

const one = PublicKey.fromBytes(new Uint8Array(32).fill(9))!
const other = PublicKey.fromBytes(new Uint8Array(32).fill(8))!
const endpoint = { host: "10.0.0.1", port: 4000 }

/** Something for a field that is no choice between words, by the field's name. */
const values: Members = {
  actualName: Packet.NodeName.make("carol"),
  conflict: { expected: one, publicKey: other, source: endpoint },
  created: true,
  endpoint,
  error: { _tag: "Broke", message: "it broke" },
  expected: other,
  known: ["carol"],
  notGranted: ["carol"],
  obstacles: [{ kind: "Limit", where: "10.0.0.1", what: "a bound leaves it out", remedy: "raise it" }],
  peer: Packet.NodeName.make("bob"),
  publicKey: one,
  publicKeys: [one, other],
  self: true,
  servers: ["nats://10.0.0.1:4222"],
  sharedBy: [one, other],
  target: { found: 0, atLeast: 1, notGranted: ["carol"], draining: ["carol"], suspect: ["carol"], asks: false },
  differences: ["payload: number here, string at the peer"],
  waitedFor: ["bob"],
  absent: []
}

const valueOf = (name: string, field: unknown): unknown => {
  if (name in values) return values[name]
  for (
    const [schema, value] of [
      [Schema.String, "text"],
      [Schema.Number, 7],
      [Schema.Int, 7],
      [Schema.Boolean, true],
      [Schema.Duration, Duration.seconds(3)]
    ] as const
  ) if (field === schema) return value
  // `Defect`.
  return new Error("the system says no")
}

const isTag = (name: string) => name === "_tag" || name === "code"

/** The values of a field, each of which is to be tried. */
const choices = (name: string, field: unknown): ReadonlyArray<unknown> => {
  const { literals, members, schema } = field as {
    literals?: Array<unknown>
    members?: Array<unknown>
    schema?: unknown
  }
  if (literals !== undefined) return literals
  if (members?.every(isErrorClass) === true) return members.flatMap((one) => samples(one as ErrorClass))
  if (schema !== undefined && Schema.isSchema(schema) && (field as Schema.Top).ast.context?.isOptional === true) {
    return [undefined, ...choices(name, schema)]
  }
  return [valueOf(name, field)]
}

/** The error with the first choice of everything, and with each other choice of one thing. */
const samples = (one: ErrorClass): ReadonlyArray<Error & { readonly _tag: string }> => {
  const fields = Object.entries(one.fields).filter(([name, field]) =>
    !isTag(name) || (field as { literals?: unknown }).literals !== undefined
  )
  const all = fields.map(([name, field]) => [name, choices(name, field)] as const)
  const make = (chosen: ReadonlyArray<readonly [string, unknown]>) =>
    new one(Object.fromEntries(chosen.filter(([, value]) => value !== undefined)))
  const first = all.map(([name, values]) => [name, values[0]] as const)
  return [
    make(first),
    ...all.flatMap(([name, values]) =>
      values.slice(1).map((value) => make(first.map((field) => field[0] === name ? [name, value] as const : field)))
    )
  ]
}

const pointed = (message: string) => {
  assert.strictEqual(message.split(Why.page).length, 2, `points once: ${message}`)
  const [, anchor] = /; see @pnet\/core\/docs\/why-cant-i\.md#([a-z-]+)$/.exec(message) ?? []
  assert.isDefined(anchor, message)
  return anchor
}

describe("why-cant-i.md", () => {
  it("has a section for each anchor, and no other, and leads to each from its top", () => {
    assert.deepStrictEqual([...sections.keys()], [...Why.anchors])
    const [top] = page.split("\n## ", 1)
    for (const anchor of Why.anchors) assert.include(top, `(#${anchor})`)
  })

  it("is where the messages point to", () => {
    assert.strictEqual(Why.page, "@pnet/core/docs/why-cant-i.md")
  })

  it("is known to have the errors of every public module", () => {
    assert.isAbove(classes.length, 50)
  })

  for (const one of classes) {
    it(`explains ${one.name}`, () => {
      for (const error of samples(one)) {
        // What is only the reason of another has no message of its own.
        const message = error.message === "" ? undefined : pointed(error.message)
        const explaining = message === undefined ? [...sections.values()] : [sections.get(message)!]
        assert.isTrue(explaining.some((text) => text.includes(`\`${error._tag}\``)), `${error._tag}: ${error.message}`)
        const { reason } = error as { readonly reason?: string | { readonly _tag: string } }
        if (reason !== undefined) {
          assert.include(sections.get(message!), `\`${typeof reason === "string" ? reason : reason._tag}\``)
        }
      }
    })
  }

  it("explains each kind of obstacle", () => {
    for (const kind of Obstacle.Obstacle.fields.kind.literals) {
      assert.isTrue([...sections.values()].some((text) => text.includes(`obstacle \`${kind}\``)), kind)
    }
  })
})

describe("a message", () => {
  for (
    const [error, remedy] of [
      [Core.FunctionError.NotJsonError, "a Schema that encodes it"],
      [Core.FunctionError.DeadlineError, "give it more time"],
      [Core.FunctionError.InvalidArgumentsError, "call describe"],
      [Core.FunctionError.ContractError, "Give both the same version of it"],
      [Core.FunctionError.NodeClosedError, "keep its scope open"]
    ] as ReadonlyArray<readonly [unknown, string]>
  ) {
    it(`of ${(error as ErrorClass).name} says what to do`, () => {
      for (const one of samples(error as ErrorClass)) assert.include(one.message, remedy)
    })
  }

  it("of PeerUnknownError says what to do where nothing else is known", () => {
    const error = new Core.Peers.PeerUnknownError({ peer: "alcie", known: ["alice"] })
    assert.include(error.message, "correct the name, or wait for it with peers.awaitPeer")
    // Who has waited is not told to.
    const waited = new Core.Peers.PeerUnknownError({ peer: "alcie", known: ["alice"], waited: Duration.seconds(10) })
    assert.notInclude(waited.message, "awaitPeer")
  })

  it("of a missing file says what to do", () => {
    const missing = new Node.NodeTrust.TrustFileMissing()
    assert.include(new Node.NodeTrust.TrustFileError({ path: "list", reason: missing }).message, "correct the path")
    const reason = new Node.NodeIdentity.IdentityFileMissing()
    assert.include(new Node.NodeIdentity.IdentityFileError({ path: "bob.key", reason }).message, "correct the path")
  })
})

describe("a message in another", () => {
  it("points to what explains the cause, once, and at its end", () => {
    const cause = Why.see("the disk is full", "identity-disk")
    assert.strictEqual(
      Why.see(`no identity: ${cause}, so nothing starts`, "identity-store"),
      `no identity: the disk is full, so nothing starts; see ${Why.page}#identity-disk`
    )
    assert.strictEqual(Why.plain(cause), "the disk is full")
  })
})
