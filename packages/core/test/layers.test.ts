/** Keeps the layers of `docs/architecture.md` true: a file imports, types included, from its own layer or one below, and no other. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { fileURLToPath } from "node:url"

const source = fileURLToPath(new URL("../src", import.meta.url))

/** The files of each layer, from the bytes up, without their ending; those in `internal` in a list of their own. */
const layers: ReadonlyArray<{
  readonly name: string
  readonly modules: ReadonlyArray<string>
  readonly internal: ReadonlyArray<string>
}> = [
  {
    name: "base",
    modules: ["Deadline"],
    internal: [
      "arena",
      "base64url",
      "bytes",
      "given",
      "intMap",
      "metrics",
      "callMetrics",
      "pieces",
      "platform",
      "quote",
      "rate",
      "seen",
      "seldom",
      "separate",
      "signal",
      "trace",
      "wallTime"
    ]
  },
  {
    name: "values",
    modules: [
      "Advert",
      "Caller",
      "Crypto",
      "Frame",
      "Framer",
      "FunctionError",
      "Identity",
      "Network",
      "NetworkKey",
      "NetworkKeys",
      "NodeOptions",
      "Obstacle",
      "Packet",
      "PortableCrypto",
      "ProtocolError",
      "PublicKey",
      "Raw",
      "SharedKeys"
    ],
    internal: ["hostName", "json", "obstacles", "portableCrypto", "portableFernet"]
  },
  { name: "seams", modules: ["Discovery", "Transport", "Trust"], internal: [] },
  {
    name: "wire",
    modules: [],
    internal: [
      "advertExchange",
      "mismatch",
      "networkCipher",
      "openText",
      "packetStream",
      "recordFramer",
      "self",
      "writeBuffer"
    ]
  },
  {
    name: "ways and policies",
    modules: ["AllowListTrust", "AnyTrust", "StaticDiscovery", "TcpTransport", "TofuTrust", "UdpDiscovery"],
    internal: ["staticDiscovery", "udpDiscovery"]
  },
  { name: "peers", modules: ["PeerTable", "Peers"], internal: ["peerTable", "targets"] },
  { name: "connect", modules: [], internal: ["acceptor", "dialAny"] },
  { name: "raw", modules: ["BasicNode"], internal: ["rawClient", "rawServer"] },
  {
    name: "session",
    modules: ["Handshake", "PeerSocket", "SessionPool", "Sessions"],
    internal: ["curve", "messageBox", "metadata", "mux", "refused", "session", "sessionStream", "sessions"]
  },
  { name: "streams", modules: ["AdvancedNode"], internal: ["callMemory", "encodeError"] },
  {
    name: "calls",
    modules: ["Command", "PeerRpc", "RpcRegistry"],
    internal: ["commandClient", "commandServer", "commandWire", "contract", "rpcClient", "rpcServer", "rpcWire"]
  },
  { name: "nodes", modules: ["CommandNode", "Diagnose", "index"], internal: [] }
]

const layerOf = new Map(
  layers.flatMap(({ internal, modules }, height) =>
    [...modules.map((file) => `${file}.ts`), ...internal.map((file) => join("internal", `${file}.ts`))].map((file) =>
      [file, height] as const
    )
  )
)

/** Every file that another one takes something from, be it a type. `declare module` names one, too, and gives it something. */
const importsOf = (file: string, code: string): ReadonlyArray<string> =>
  [...code.matchAll(/(?:\bfrom|\bimport\(|\bdeclare module)\s*"(\.[^"]+)"/g)].map(([, path]) =>
    normalize(join(dirname(file), path!))
  )

const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))

const upwards = (file: string, code: string): ReadonlyArray<string> => {
  const own = layerOf.get(file)!
  return importsOf(file, code).flatMap((imported) => {
    const height = layerOf.get(imported)
    return height !== undefined && height <= own
      ? []
      : [`${file} (${layers[own]!.name}) imports ${imported} (${layers[height ?? -1]?.name ?? "no layer"})`]
  })
}

describe("the layers", () => {
  it("have every file, each once", () => {
    const listed = layers.flatMap((
      { internal, modules }
    ) => [...modules, ...internal.map((file) => `internal/${file}`)])
    assert.deepStrictEqual([...new Set(listed)].sort(), [...listed].sort())
    assert.deepStrictEqual([...layerOf.keys()].sort(), [...files].sort())
  })

  it("import from no layer above them, types included", () => {
    assert.deepStrictEqual(files.flatMap((file) => upwards(file, readFileSync(join(source, file), "utf8"))), [])
  })

  it("are seen through by whatever an import looks like", () => {
    for (
      const code of [
        `import type { Peers } from "../Peers.ts"`,
        `import {\n  type Peer,\n  Peers\n} from "../Peers.ts"`,
        `export * from "../Peers.ts"`,
        `const later = import("../Peers.ts")`,
        `declare module "../Peers.ts" {}`
      ]
    ) {
      assert.deepStrictEqual(upwards("internal/quote.ts", code), ["internal/quote.ts (base) imports Peers.ts (peers)"])
    }
  })
})
