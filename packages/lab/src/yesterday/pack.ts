/** Packs the nodes of a tree into one file that needs nothing but Node. */
import * as Effect from "effect/Effect"
import { build } from "esbuild"
import { resolve as absolute } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"

const here = fileURLToPath(new URL(".", import.meta.url))

// Modules that are CommonJS inside require what Node has.
const require = `import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);`

/**
 * `peer.ts` of this tree with the packages of a tree, that it may be another of: what it imports is resolved from `packages/node` there.
 * Cryptography is that in JavaScript, since the addon stays outside.
 */
export const pack = (tree: string): Effect.Effect<Uint8Array> =>
  Effect.map(
    Effect.promise(() =>
      build({
        entryPoints: [here + "peer.ts"],
        write: false,
        bundle: true,
        minify: true,
        legalComments: "none",
        format: "esm",
        platform: "node",
        target: "node22",
        banner: { js: require },
        logLevel: "error",
        plugins: [{
          name: "tree",
          setup: ({ onResolve, resolve }) => {
            onResolve({ filter: /^@?[a-z]/ }, ({ importer, kind, path, pluginData, resolveDir }) =>
              pluginData === "seen" || !(resolveDir + "/").startsWith(here) || importer === ""
                ? undefined
                : resolve(path, { kind, resolveDir: absolute(tree, "packages/node"), pluginData: "seen" }))
          }
        }]
      })
    ),
    ({ outputFiles }) => gzipSync(outputFiles[0]!.contents, { level: 9 })
  )
