/** Keeps the layers of `docs/architecture.md` true: a file imports, types included, from its own layer or one below, and no other. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { fileURLToPath } from "node:url"

const source = fileURLToPath(new URL("../src", import.meta.url))

/** The public modules of each layer and its folders in `internal`, from the bytes up. */
const layers: ReadonlyArray<{
  readonly name: string
  readonly modules: ReadonlyArray<string>
  readonly folders: ReadonlyArray<string>
}> = [
  { name: "base", modules: ["Deadline", "Why"], folders: ["base"] },
  {
    name: "values",
    modules: [
      "Advert",
      "Allow",
      "Authority",
      "Caller",
      "Crypto",
      "DerivedHost",
      "Frame",
      "Framer",
      "FunctionError",
      "Identity",
      "Network",
      "NetworkKey",
      "NetworkKeys",
      "NodeOptions",
      "Obstacle",
      "Offer",
      "Outcomes",
      "Packet",
      "PortableCrypto",
      "ProtocolError",
      "PublicKey",
      "Raw",
      "Rights",
      "SharedKeys"
    ],
    folders: ["crypto", "values"]
  },
  { name: "seams", modules: ["Discovery", "Transport", "Trust"], folders: [] },
  { name: "wire", modules: [], folders: ["wire"] },
  {
    name: "ways and policies",
    modules: [
      "Adverts",
      "AllowListTrust",
      "AnyTrust",
      "AuthorityTrust",
      "LanReach",
      "MessageLink",
      "Reach",
      "StaticDiscovery",
      "TcpTransport",
      "TofuTrust",
      "UdpDiscovery"
    ],
    folders: ["discovery", "link"]
  },
  { name: "peers", modules: ["PeerTable", "Peers"], folders: ["peers"] },
  { name: "connect", modules: [], folders: ["connect"] },
  { name: "raw", modules: ["BasicNode"], folders: ["raw"] },
  { name: "session", modules: ["Handshake", "PeerSocket", "SessionPool", "Sessions"], folders: ["session"] },
  { name: "offers", modules: [], folders: ["offers"] },
  { name: "balance", modules: ["Balance"], folders: ["balance"] },
  { name: "topics", modules: ["Topic"], folders: ["topics"] },
  { name: "streams", modules: ["AdvancedNode"], folders: ["streams"] },
  { name: "calls", modules: ["Command", "PeerRpc", "RpcRegistry"], folders: ["call"] },
  { name: "nodes", modules: ["CommandNode", "Diagnose", "Finding", "index"], folders: ["diagnose"] }
]

const heights = new Map(
  layers.flatMap(({ folders, modules }, height) =>
    [...modules.map((module) => `${module}.ts`), ...folders.map((folder) => join("internal", folder))].map((part) =>
      [part, height] as const
    )
  )
)

/** A public module has its own place, an internal file that of its folder. */
const heightOf = (file: string) => heights.get(file.startsWith("internal/") ? dirname(file) : file)

/** Every file that another one takes something from, be it a type. `declare module` names one, too, and gives it something. */
const importsOf = (file: string, code: string): ReadonlyArray<string> =>
  [...code.matchAll(/(?:\bfrom|\bimport\(|\bdeclare module)\s*"(\.[^"]+)"/g)].map(([, path]) =>
    normalize(join(dirname(file), path!))
  )

const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))

const upwards = (file: string, code: string): ReadonlyArray<string> => {
  const own = heightOf(file)!
  return importsOf(file, code).flatMap((imported) => {
    const height = heightOf(imported)
    return height !== undefined && height <= own
      ? []
      : [`${file} (${layers[own]!.name}) imports ${imported} (${layers[height ?? -1]?.name ?? "no layer"})`]
  })
}

const read = (document: string) => readFileSync(fileURLToPath(new URL(`../../../${document}`, import.meta.url)), "utf8")
const architecture = read("docs/architecture.md")
const contributing = read("CONTRIBUTING.md")

/** The rows of the table of folders in the document, from the top: the layer, its folders, its modules. */
const drawn = () => {
  const [, table] = /^## The folders\n[^]*?^\| -+[^\n]*\n([^]*?)\n\n/m.exec(architecture) ?? []
  const names = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name)
  return (table ?? "").split("\n").map((row) => row.split("|").slice(1, -1)).map(([name, folders, modules]) => ({
    name: name?.trim(),
    modules: names(modules ?? ""),
    folders: names(folders ?? "")
  }))
}

describe("the layers", () => {
  it("have the files that docs/architecture.md and CONTRIBUTING.md name", () => {
    const inText = [...architecture.matchAll(/`((?!core\/)[a-z]+\/[A-Za-z]+)`/g)].map(([, name]) => name)
    const [, drawings] = /^### Through the folders\n([^]*?)^##/m.exec(architecture) ?? []
    let folder = ""
    const inDrawings = [...(drawings ?? "").matchAll(/^```text\n([^]*?)^```/gm)].flatMap(([, drawing]) =>
      drawing!.split("\n").flatMap((line) => {
        folder = /^[a-z]+/.exec(line)?.[0] ?? folder
        return [...line.matchAll(/\b([a-z][A-Za-z]+)[,:]/g)].map(([, name]) => `${folder}/${name}`)
      })
    )
    const inContributing = [...contributing.matchAll(/`internal\/([a-z]+\/[A-Za-z]+)`/g)].map(([, name]) => name)
    const named = [...inText, ...inDrawings, ...inContributing].map((name) => `internal/${name}.ts`)
    assert.isAbove(inText.length, 10)
    assert.isAbove(inDrawings.length, 20)
    assert.deepStrictEqual(named.filter((file) => !files.includes(file)), [])
  })

  it("are drawn in docs/architecture.md as they are", () => {
    const all = layers.map((layer) => ({ ...layer, modules: layer.modules.filter((module) => module !== "index") }))
    assert.deepStrictEqual<unknown>(drawn(), all.reverse())
  })

  it("have every file, each once", () => {
    const listed = layers.flatMap(({ folders, modules }) => [...modules, ...folders])
    assert.deepStrictEqual([...new Set(listed)].sort(), [...listed].sort())
    assert.deepStrictEqual(files.filter((file) => heightOf(file) === undefined), [])
    const parts = new Set(files.map((file) => file.startsWith("internal/") ? dirname(file) : file))
    assert.deepStrictEqual([...heights.keys()].filter((part) => !parts.has(part)), [])
  })

  it("import from no layer above them, types included", () => {
    assert.deepStrictEqual(files.flatMap((file) => upwards(file, readFileSync(join(source, file), "utf8"))), [])
  })

  it("are seen through by whatever an import looks like", () => {
    for (
      const code of [
        `import type { Peers } from "../../Peers.ts"`,
        `import {\n  type Peer,\n  Peers\n} from "../../Peers.ts"`,
        `export * from "../../Peers.ts"`,
        `const later = import("../../Peers.ts")`,
        `declare module "../../Peers.ts" {}`
      ]
    ) {
      assert.deepStrictEqual(upwards("internal/base/quote.ts", code), [
        "internal/base/quote.ts (base) imports Peers.ts (peers)"
      ])
    }
  })
})
