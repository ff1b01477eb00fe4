/** The version of the package, which its package.json has, too. */
export const version = "0.1.0"
