/** A program for a page, in one file or several, as what builds pages for people makes it: by rolldown, minified, with what nobody calls left out. */
import { Effect } from "effect"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"

const suite = fileURLToPath(new URL("./suite.ts", import.meta.url))

export interface Chunk {
  readonly name: string
  /** Whether the page loads it at once: the others are loaded when they are wanted. */
  readonly isEntry: boolean
  readonly code: string
  /** Bytes, and bytes as they travel. */
  readonly size: number
  readonly gzip: number
  /** What it imports, at once or later: others of these, and what was left out. */
  readonly imports: ReadonlyArray<string>
  /** What it imports at once. */
  readonly needs: ReadonlyArray<string>
  /** The modules in it, and how many bytes of it are theirs. */
  readonly modules: ReadonlyMap<string, number>
}

/** What is made of the file at a path, the entry first. What it would need of Node is an error. */
export const bundle = (path: string): Effect.Effect<ReadonlyArray<Chunk>> =>
  Effect.acquireUseRelease(
    Effect.promise(() =>
      rolldown({
        input: path,
        platform: "browser",
        // A suite runs in a page as it does here.
        resolve: { alias: { vitest: suite } },
        onLog: (level, log, handle) => {
          if (level === "warn") throw new Error(log.message)
          handle(level, log)
        }
      })
    ),
    (built) => Effect.promise(() => built.generate({ format: "esm", minify: true })),
    (built) => Effect.promise(() => built.close())
  ).pipe(Effect.map(({ output }) =>
    output.flatMap((chunk) =>
      chunk.type !== "chunk" ? [] : [{
        name: chunk.fileName,
        isEntry: chunk.isEntry,
        code: chunk.code,
        size: Buffer.byteLength(chunk.code),
        gzip: gzipSync(chunk.code, { level: 9 }).length,
        imports: [...chunk.imports, ...chunk.dynamicImports],
        needs: chunk.imports,
        modules: new Map(Object.entries(chunk.modules).map(([id, { renderedLength }]) => [id, renderedLength]))
      }]
    ).sort((a, b) => Number(b.isEntry) - Number(a.isEntry))
  ))

/** Those that are loaded before the first line of one of them runs, itself included. */
export const loadedWith = (chunks: ReadonlyArray<Chunk>, first: Chunk): ReadonlySet<Chunk> => {
  const loaded = new Set<Chunk>()
  const load = (chunk: Chunk | undefined): void => {
    if (chunk === undefined || loaded.has(chunk)) return
    loaded.add(chunk)
    for (const name of chunk.needs) load(chunks.find((other) => other.name === name))
  }
  load(first)
  return loaded
}
