/**
 * The programs in the README files, which are what a user types first.
 */

export interface Block {
  readonly code: string
  readonly test: boolean
  /** What its comments say that it prints. */
  readonly prints: ReadonlyArray<string>
}

/** The `ts` blocks of a document. `networkId` takes the place of what they call their network, so that no two hear each other. */
export const blocks = (document: string, networkId: string): ReadonlyArray<Block> =>
  [...document.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code]) => ({
    code: code!.replaceAll(/(networkId:\s*)"[^"]+"/g, `$1"${networkId}"`),
    test: /from "@effect\/vitest"/.test(code!),
    prints: [...code!.matchAll(/^\s*\/\/ prints: (.+)$/gm)].map(([, line]) => line!)
  }))
