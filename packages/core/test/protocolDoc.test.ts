/** Keeps `docs/protocol.md` true where a number or a table of it can be compared: its defaults, and the shape of its tables. */
import { assert, describe, it } from "@effect/vitest"
import { Frame, NodeOptions, Packet, ProtocolError, PublicKey, Raw, TofuTrust } from "@pnet/core"
import * as Wire from "@pnet/core/internal/call/rpcWire"
import { Duration, Effect } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const text = readFileSync(fileURLToPath(new URL("../../../docs/protocol.md", import.meta.url)), "utf8")

interface Default {
  readonly name: string
  readonly value: string
  readonly option: string
}

const defaults: ReadonlyArray<Default> = [...text.matchAll(/^\| <a id="d-(\w+)"><\/a>([^|]+?) +\| ([^|]+?) +\|/gm)].map(
  (
    [, name, value, option]
  ) => ({ name: name!, value: value!, option: option! })
)

const units: Readonly<Record<string, number>> = {
  s: 1_000,
  minutes: 60_000,
  h: 3_600_000,
  KiB: 1_024,
  MiB: 1_048_576
}

/** A number as it is written, in milliseconds or bytes where it has such a unit. */
const numberOf = (written: string): number => {
  const [, digits, unit] = /^([\d,.]+)(?: (s|minutes|h|KiB|MiB))?$/.exec(written)!
  return Number(digits!.replaceAll(",", "")) * (unit === undefined ? 1 : units[unit]!)
}

/** The option of a row, as a node has it that was given none; a time in milliseconds. */
const valueOf = (options: NodeOptions.NodeOptions, option: string): unknown => {
  const path = /^`([\w.]+)`$/.exec(option)?.[1]!.split(".") ?? []
  const value = path.reduce((value: unknown, key) => (value as Record<string, unknown>)[key], options)
  return Duration.isDuration(value) ? Duration.toMillis(value) : value
}

describe("the defaults of docs/protocol.md", () => {
  it.effect("are those of a node that is given none", () =>
    Effect.gen(function*() {
      const options = yield* NodeOptions.make({ name: "alpha" })
      assert.isAbove(defaults.length, 30)
      for (const { name, option, value } of defaults) {
        if (option.includes(" of ")) continue
        assert.strictEqual(valueOf(options, option), value === "yes" ? true : numberOf(value), name)
      }
    }))

  it("are those of what is not an option of a node", () => {
    const others = defaults.filter(({ option }) => option.includes(" of "))
    assert.deepStrictEqual(others.map(({ name }) => name), ["capacity", "window"])
    assert.strictEqual(numberOf(others[1]!.value), Wire.defaultWindow)
  })

  it.effect("are those of the names that are pinned", () =>
    Effect.gen(function*() {
      const capacity = numberOf(defaults.find(({ name }) => name === "capacity")!.value)
      const key = PublicKey.fromBytes(Uint8Array.from({ length: 32 }, (_, i) => i + 9))!
      const pins = Array.from({ length: capacity - 1 }, (_, i) => [Packet.NodeName.make(`n${i}`), key] as const)
      const trust = TofuTrust.make({ pins })
      yield* trust.pin(Packet.NodeName.make("the last"), key)
      const error = yield* Effect.flip(trust.pin(Packet.NodeName.make("one more"), key))
      assert.strictEqual(error.kind, "Full")
    }))

  it("are what the text says in each place, and each (c) leads to one of them", () => {
    const places = [...text.replaceAll(/<a id="[^"]*"><\/a>/g, "").matchAll(/(\S+\s+\S+)\s+\[\(c\)\]\(#d-(\w+)\)/g)]
    const found = new Set<string>()
    for (const [place, before, name] of places) {
      const row = defaults.find((row) => row.name === name)
      assert.isDefined(row, place)
      found.add(name!)
      const [, number, unit] = /\(?([\d,.]+)?\s+(\S+)$/.exec(before!) ?? []
      if (row!.value === "yes") continue
      const written = number !== undefined && unit !== undefined && unit in units ? `${number} ${unit}` : unit!
      assert.strictEqual(numberOf(written.replace(/^\(/, "")), numberOf(row!.value), place)
    }
    assert.lengthOf(text.match(/\(c\)/g)!, places.length + 2, "a (c) that leads nowhere")
    assert.deepStrictEqual(defaults.map(({ name }) => name).filter((name) => !found.has(name)), [])
  })
})

describe("the limits of docs/protocol.md", () => {
  it("that are fixed are those of the library", () => {
    const table = /\nFixed, a part of pnet\/1:\n\n((?:\|.*\n)+)/.exec(text)![1]!
    const rows = Object.fromEntries(
      table.trim().split("\n").slice(2).map((row) => row.split("|").slice(1, 3).map((cell) => cell.trim()))
    )
    const names = { networkId: Packet.NetworkId.make("lab"), name: Packet.NodeName.make("alpha") }
    const sizes = {
      "a packet, in a datagram; on a stream": [Packet.maxDatagramLength, Packet.maxStreamLength],
      "a payload; on a network with a key": [
        Raw.maxPayload({ ...names, encrypted: false }),
        Raw.maxPayload({ ...names, encrypted: true })
      ],
      "a record of a session": [Packet.maxStreamLength],
      "credit of each direction at OPEN": [Frame.initialCredit],
      "DATA in a frame, as it is sent": [Frame.maxDataLength]
    }
    for (const [what, values] of Object.entries(sizes)) {
      assert.deepStrictEqual(rows[what]?.split("; ").map(numberOf), values, what)
    }
    assert.strictEqual(numberOf(rows["the age of a token, and of a stamp"]!) * 1_000, Raw.replayWindow)
  })
})

/** The rows below a head in the text, as cells without anchors. */
const tableOf = (head: RegExp): ReadonlyArray<ReadonlyArray<string>> => {
  const bare = text.replaceAll(/<a id="[^"]*"><\/a>/g, "")
  const at = head.exec(bare)!
  const lines = bare.slice(at.index).split("\n")
  return lines.slice(2, lines.findIndex((line) => !line.startsWith("|"))).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim())
  )
}
const quoted = (cell: string | undefined) => /^`(.*)`$/.exec(cell ?? "")?.[1]

describe("the names of docs/protocol.md", () => {
  it("are those of the errors, frames, resets and protocols of the library", () => {
    const errors = tableOf(/^\| code +\| the packet, or what was asked with it +\|$/m).map(([code]) => quoted(code))
    assert.sameMembers(errors, [...ProtocolError.codes])
    const frames = tableOf(/^\| kind +\| name +\| travels in +\| stream +\| payload +\|$/m)
    assert.deepStrictEqual(
      Object.fromEntries(frames.map(([kind, name]) => [name!.toLowerCase(), Number(kind)])),
      { ...Frame.Kind }
    )
    const resets = tableOf(/^\| code +\| what it says +\| was it run\? +\|$/m).map(([code]) => quoted(code))
    assert.sameMembers(resets, [...Frame.ResetCode.literals])
    const protocols = tableOf(/^\| `protocol` +\| what its streams are +\|$/m).map(([protocol]) => quoted(protocol))
    assert.sameMembers(protocols, [...Frame.Protocol.literals])
  })

  it("of low order in it are no keys of the library", () => {
    const keys = text.match(/^[0-9a-f]{64}$/gm)!.slice(0, 5)
    for (const key of keys) assert.isUndefined(PublicKey.fromBytes(new Uint8Array(Buffer.from(key, "hex"))), key)
  })
})

describe("the tables of docs/protocol.md", () => {
  it("have as many cells in each row as in their head", () => {
    let head: number | undefined
    let fenced = false
    const wrong: Array<string> = []
    for (const [index, line] of text.split("\n").entries()) {
      if (/^\s*```/.test(line)) fenced = !fenced
      if (fenced || !line.trimStart().startsWith("|")) {
        head = undefined
        continue
      }
      const cells = line.replaceAll("\\|", "").split("|").length
      head ??= cells
      if (cells !== head) wrong.push(`line ${index + 1}: ${line}`)
    }
    assert.deepStrictEqual(wrong, [])
  })
})
