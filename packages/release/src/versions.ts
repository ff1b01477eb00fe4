/**
 * What the packages are checked with, besides what the workspace itself pins. All of it comes from the npm registry.
 */
import { pinned, publicPackages } from "./workspace.ts"

/** The compilers that users may have: the last of each line that is still in use. */
export const typescripts = ["5.9.3", "7.0.2"] as const

/** The oldest Node that the packages say they run on. */
export const oldestNode: string = (() => {
  const asked = new Set(publicPackages.map(({ manifest }) => manifest.engines?.node))
  const [, version] = /^>=(\d+\.\d+\.\d+)$/.exec([...asked].join()) ?? []
  if (version === undefined) {
    throw new Error(`engines.node has to be one >= for all packages, and is ${[...asked].join()}`)
  }
  return version
})()

export interface Runtime {
  readonly name: string
  readonly package: string
  readonly version: string
  readonly command: ReadonlyArray<string>
}

const node = (version: string): Runtime => ({
  name: `Node ${version}`,
  package: "node",
  version,
  command: ["node_modules/node/bin/node"]
})

/** What the packages run on: the oldest Node, the one of the workspace, the newest, and what else says that it runs Node's programs. */
export const runtimes: ReadonlyArray<Runtime> = [
  node(oldestNode),
  node(pinned("node")),
  node("26.10.0"),
  { name: "Bun 1.4.5", package: "bun", version: "1.4.5", command: ["node_modules/.bin/bun"] },
  { name: "Deno 2.9.6", package: "deno", version: "2.9.6", command: ["node_modules/.bin/deno", "run", "-A", "-q"] }
]
