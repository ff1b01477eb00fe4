/**
 * Commands that are said to people, who may run them: a word that somebody else has chosen is quoted, so that no shell reads anything into it.
 */

/** A text as one word of a shell's command line. */
export const quoted = (text: string): string =>
  /^[\p{L}\p{N}_@%+=:,./-]+$/u.test(text) ? text : `'${text.replaceAll("\n", "\\n").replaceAll("'", "'\\''")}'`
