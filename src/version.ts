// Which cria this is. What is kept on disk from one process to the next says which one has written it.

/** The version in package.json. */
export const version = "0.1.0";
