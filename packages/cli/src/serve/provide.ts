/**
 * Whether modules of functions are given what they import, and by whom: by `library.ts`, where that was loaded. Otherwise they have what is installed where they are.
 */

let provider: ((url: string) => void) | undefined

/** Says who gives modules what they import. */
export const providedBy = (provide: (url: string) => void): void => {
  provider = provide
}

/** Has a module be given what it imports. */
export const provideTo = (url: string): void => provider?.(url)
