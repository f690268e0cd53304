"""Mutants of one module: its source with one small change each, made on the syntax tree."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    path: str  # of the module, below the root of the tree
    tree: ast.Module
    node: ast.stmt | ast.expr
    changed: ast.stmt | ast.expr
    function: str  # that holds it
    number: int  # among the function's mutants

    @property
    def key(self) -> str:
        """The same for the same change of the same function, wherever it stands in its module."""
        before, after = (ast.unparse(one).splitlines()[0] for one in (self.node, self.changed))
        return f"{self.path}:{self.function}:{self.number}: {before} -> {after}"

    @property
    def source(self) -> str:
        """Of the whole module; a copy shares all but the changed node and what is around it."""
        return ast.unparse(copy.deepcopy(self.tree, {id(self.node): self.changed}))


def mutants_of(root: Path, path: str) -> list[Mutant]:
    """All mutants of the module at `root / path`, in the order of its source."""
    tree = ast.parse((root / path).read_text())
    return [
        Mutant(path, tree, node, changed, name, number)
        for name, function in _functions(tree)
        for number, (node, changed) in enumerate(
            (node, changed) for node in _nodes(function) for changed in _changes(node)
        )
    ]


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Those of the module and of its classes; inner ones belong to the outer one."""
    for node in tree.body:
        members, owner = [node], ""
        if isinstance(node, ast.ClassDef):
            members, owner = node.body, f"{node.name}."
        for member in members:
            if isinstance(member, ast.FunctionDef) and member.name != "__repr__":
                yield f"{owner}{member.name}", member


def _nodes(node: ast.AST) -> Iterator[ast.stmt | ast.expr]:
    """What runs below a node: no annotation, docstring or decorator."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_text(child):
                if isinstance(child, ast.stmt | ast.expr):
                    yield child
                yield from _nodes(child)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(node: ast.stmt | ast.expr) -> Iterator[ast.stmt | ast.expr]:
    """What may stand in the node's place."""
    match node:
        case ast.Compare(left, [operator], [right]):
            for other in _COMPARED[type(operator)]:
                yield ast.Compare(left, [other()], [right])
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
            for index in range(len(values)):  # without one of its parts
                rest = values[:index] + values[index + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(operator, rest)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.expr():
            yield from _changed_terms(node)
        case ast.stmt():
            yield from _changed_statements(node)


def _changed_terms(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left, operator, right) if type(operator) in _COMPUTED:
            yield ast.BinOp(left, _COMPUTED[type(operator)](), right)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.Call(ast.Name(name), positional, named) if name in _CALLED:
            yield ast.Call(ast.Name(_CALLED[name], ast.Load()), positional, named)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)


def _changed_statements(node: ast.stmt) -> Iterator[ast.stmt]:
    match node:
        case ast.AugAssign(target, operator, value):
            if type(operator) in _COMPUTED:
                yield ast.AugAssign(target, _COMPUTED[type(operator)](), value)
            yield ast.Pass()
        case ast.Expr(ast.Call()) | ast.Delete():
            yield ast.Pass()
        case ast.Assign([ast.Attribute() | ast.Subscript()], _):
            yield ast.Pass()
        case ast.Return(value) if value is not None and not _is_none(value):
            yield ast.Return(ast.Constant(None))
        case ast.Return(None):
            yield ast.Pass()
        case ast.If(test, body, orelse) if not isinstance(test, ast.Compare | ast.UnaryOp):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
