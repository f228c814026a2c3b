// Notations in which an answer is one or more messages, each with a header that says to whom it goes: one row each.

import { type AddressedNotation, args, name } from "./notation.js";

export const addressedNotations: readonly AddressedNotation[] = [
  // gpt-oss (harmony): <|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>It rains.
  // <|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Lima"}<|call|>
  {
    kind: "addressed",
    name: "harmony",
    text: [
      ["<|channel|>", "final", "<|message|>"],
      ["<|channel|>", "commentary", "<|message|>"],
      ["<|channel|>", "final", " ", "<|constrain|>", "json", "<|message|>"],
    ],
    thoughts: ["<|channel|>", "analysis", "<|message|>"],
    call: [
      ["<|channel|>", "commentary", " to=functions.", name, " ", "<|constrain|>", "json", "<|message|>", args],
      [" to=functions.", name, "<|channel|>", "commentary", " ", "json", "<|message|>", args],
      [" to=functions.", name, "<|channel|>", "commentary", " ", "<|constrain|>", "json", "<|message|>", args],
    ],
    messageEnd: "<|end|>",
    callEnd: "<|call|>",
    next: ["<|start|>", "assistant"],
    parallel: false,
    isShown: (source) => source.includes("<|channel|>") && source.includes("<|message|>"),
  },
  // Functionary 3.2: all\nIt rains.>>>weather\n{"city": "Lima"}
  {
    kind: "addressed",
    name: "functionary3.2",
    text: [["all\n"]],
    call: [[name, "\n", args]],
    messageEnd: ">>>",
    next: [],
    parallel: true,
    isShown: (_, prompt) => prompt.endsWith(">>>"),
  },
  // Functionary 2: all\n<|content|>It rains.\n<|from|>assistant\n<|recipient|>weather\n<|content|>{"city": "Lima"}
  {
    kind: "addressed",
    name: "functionary2",
    text: [["all\n", "<|content|>"]],
    call: [[name, "\n", "<|content|>", args]],
    messageEnd: "<|from|>",
    next: ["assistant\n", "<|recipient|>"],
    parallel: true,
    isShown: (_, prompt) => prompt.endsWith("<|recipient|>"),
  },
  // GLM 4: \nIt rains. or weather\n{"city": "Lima"}
  {
    kind: "addressed",
    name: "glm4",
    text: [["\n"]],
    call: [[name, "\n", args]],
    messageEnd: "<|assistant|>",
    next: [],
    bareText: true,
    parallel: false,
    isShown: () => false,
    taughtBy: /<\|observation\|>|\[gMASK\]/,
  },
];
