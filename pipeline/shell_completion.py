"""Completion in bash, zsh and fish by click's own mechanism, and what bash lacks for it.

Bash splits the words of a line at "=" and ":" too, where click expects whole ones (`--set train.steps=5`,
`--dataset folder:photos`): they are put together again here, and of an answer bash gets what stands after
the last of these signs. After an answer that goes on ("train.steps=", "folder:", "photos/") no space is set.
"""

from __future__ import annotations

from typing import Any

from click.shell_completion import BashComplete, CompletionItem, add_completion_class

HOW_TO = """\b
Completion of commands, options and values with the Tab key, now and in later shells:
  bash  echo 'eval "$(_GANPIPE_COMPLETE=bash_source ganpipe)"' >> ~/.bashrc; exec bash
  zsh   echo 'eval "$(_GANPIPE_COMPLETE=zsh_source ganpipe)"' >> ~/.zshrc; exec zsh
  fish  _GANPIPE_COMPLETE=fish_source ganpipe > ~/.config/fish/completions/ganpipe.fish
"""
_SPLIT_AT = "=:"


@add_completion_class
class WholeWords(BashComplete):
    """Bash's completion, with words as they stand in the line."""

    source_template = BashComplete.source_template.replace(
        "    return 0\n",
        "    [[ ${#COMPREPLY[@]} -eq 1 && $COMPREPLY == *[=:/] ]] && compopt -o nospace\n    return 0\n",
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is completed, and that one's beginning."""
        before, last = super().get_completion_args()
        words: list[str] = []
        joins = False
        for word in [*before, last]:
            splits = bool(word) and not word.strip(_SPLIT_AT)
            # "--steps=5" is an option and its value, which click tells apart by itself
            if words and (joins or splits):
                words[-1] += word
            else:
                words.append(word)
            joins = splits
        self.begun = words[-1]
        return words[:-1], self.begun

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Without what stands before the last sign that bash splits at."""
        cut = max(self.begun.rfind(sign) for sign in _SPLIT_AT) + 1
        value = item.value[cut:] if item.value.startswith(self.begun[:cut]) else item.value
        return f"{item.type},{value}"
