"""A teacher follows its student by its momentum, with its student's statistics or its own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sslskel import Teacher


@pytest.mark.parametrize("own", [False, True])
def test_a_teachers_statistics_are_its_students_or_its_own(own: bool) -> None:
    student = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    method = nn.ModuleDict({"student": student, "teacher": Teacher(student, own_statistics=own)}).train()
    teacher = method["teacher"]
    assert isinstance(teacher, Teacher)
    student(torch.arange(8.0).reshape(4, 2))
    teacher(torch.zeros(4, 2))
    teacher.follow(student, 0.5)
    assert teacher.network[1].training == own
    assert torch.equal(teacher.network[1].running_mean, student[1].running_mean) != own
    assert not method.eval()["teacher"].network[1].training


def test_a_parameter_that_occurs_twice_moves_once() -> None:
    student = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    student[1].weight = student[0].weight
    teacher = Teacher(student)
    before = teacher.network[0].weight.clone()
    with torch.no_grad():
        student[0].weight.add_(1)
    teacher.follow(student, 0.75)
    assert teacher.network[1].weight is teacher.network[0].weight
    torch.testing.assert_close(teacher.network[0].weight, before + 0.25)
    assert not teacher.network[0].weight.requires_grad
